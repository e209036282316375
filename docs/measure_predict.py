"""Measures how many digits on drawn pages are read rightly: the table in docs/predict.md.

python docs/measure_predict.py --digits=path/to/mnist     # four minutes on 2 cores; kinds by name
"""
