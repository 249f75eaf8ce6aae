"""Satellite and aerial imagery: GeoTIFF in, Cloud Optimized GeoTIFF out. What a split may not cut is a place."""
