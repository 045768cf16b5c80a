"""Random programs for the campaign ``fuzz``: each is run on the bridge and by who knows best."""
