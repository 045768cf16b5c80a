"""What runs in processes of its own, for the campaigns that need one."""
