"""deskhand, the command line: a composition root over both services' public doors and the embedded cloud."""
