"""The tests mirror ganntk; a package, because an installed one is called tests too."""
