# Mitglieder, Einladungen und die eigene Mitgliedschaft.
