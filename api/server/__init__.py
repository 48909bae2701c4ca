"""The HTTP server: granian in front of a bridge that receives requests whole and runs the WSGI application."""
