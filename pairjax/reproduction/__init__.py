"""Both reports run again, beside what their authors recorded."""
