"""The output formats of `upnext gen`: for people, for programs, for GitHub, for code scanners."""
