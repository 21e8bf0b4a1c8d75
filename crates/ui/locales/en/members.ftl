# Members, invitations, and a person’s own membership.
