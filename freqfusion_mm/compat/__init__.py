"""What a framework lacks, one small file each."""
