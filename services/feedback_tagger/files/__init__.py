"""An uploaded file on its way to rows: spooled to disk, its contents counted, its cost quoted, its rejects written."""
