"""The machines: a file each, or a folder named after the machine with what only it uses; none imports another."""
