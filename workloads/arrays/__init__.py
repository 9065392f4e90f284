"""Arrays and traces in files of ours."""
