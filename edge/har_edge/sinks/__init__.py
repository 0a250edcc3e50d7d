"""Where results go: files, tables, videos, brokers and web servers."""
