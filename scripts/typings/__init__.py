"""TypeScript declarations of functions' requests and answers, made from their models."""
