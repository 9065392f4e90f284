"""DianNao and DaDianNao: dense multiply-add trees, on one tile and on many."""
