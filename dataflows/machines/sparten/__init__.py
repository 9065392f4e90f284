"""SparTen: an inner join of two bit masks a cycle in every unit, filters balanced by their density (MICRO 2019)."""
