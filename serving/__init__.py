"""An ASGI server for WSGI applications that receives each request whole before it takes a thread."""
