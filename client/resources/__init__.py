"""The API's resources: one class for each, with a method for each route."""
