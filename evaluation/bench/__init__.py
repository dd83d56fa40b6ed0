"""Speed and memory of the library as ratios against peers."""
