"""What `st-isotropy improve` finds on real models and data, arm by arm, and how often it is wrong."""
