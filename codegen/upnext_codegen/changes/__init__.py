"""What has changed since an earlier contract, and what it breaks."""
