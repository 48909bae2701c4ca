"""An ASGI server for WSGI applications that receives the whole request before it occupies a thread."""
