"""Where home rows come from: one source a file, all behind `source.Source`, asked side by side by `gather`."""
