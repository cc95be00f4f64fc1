"""What `upnext gen` prints: for people, for programs, for GitHub, for code scanners."""
