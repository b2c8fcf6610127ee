"""
The policy language: what to do, for whom, and when.

A policy is data. It knows nothing about incidents, queues or people's phones.
"""
