"""Telling people: endpoints, messages, and how they are sent."""
