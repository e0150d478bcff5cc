"""TypeScript of what functions take and answer, made from their models."""
