"""The command `stylegrow`: one file a group of commands."""
