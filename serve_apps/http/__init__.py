"""The door: routes, bodies, keys, limits and errors. The only home of `fastapi`."""
