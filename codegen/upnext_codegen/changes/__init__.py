"""What has changed since an earlier contract, and whom it breaks."""
