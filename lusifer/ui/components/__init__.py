"""What several pages draw: pickers, the job panel, profiles, shared tables."""
