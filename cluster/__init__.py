"""Where things are kept and run: settings, storage, lake, registry, online store, Ray."""
