# API-Token, Dienstkonten, Anwendungen und das Protokoll.
