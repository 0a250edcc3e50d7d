"""What a run found: figures derived once, judged and compared."""
