"""Receiving, handling and settling queue messages without losing one."""
