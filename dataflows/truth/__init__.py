"""What every machine must agree with: the convolution, and the counts of its products."""
