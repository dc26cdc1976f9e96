"""The token of the servers under test."""

TOKEN = "s3cret-token"
