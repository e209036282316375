"""Trials compared in pairs, over the seeds that they share."""
