"""Pixels to vectors: torch and torchvision only; no Spark, no pandas, no lake paths."""
