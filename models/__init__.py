"""Compute vectors from pixels, with torch and torchvision only: no Spark, no pandas, no paths of the lake."""
