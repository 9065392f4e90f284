"""What a run says: values, conservation laws, files and differences."""
