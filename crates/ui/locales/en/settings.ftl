# Settings: what people set for themselves and for their workspace.
settings-own = You
settings-workspace = Workspace
settings-profile = Profile
settings-done-profile = Profile saved.

profile-advice = How you appear to others, and how Fieldstone writes for you.
profile-name = Name
profile-name-missing = Enter your name.
profile-name-unusable = Enter a name of at most 255 characters, on one line.
profile-locale = Language and region
profile-locale-help = Decides the language of the pages and how dates, times and numbers look.
profile-time-zone = Time zone

locale-en = English
locale-en-us = English (United States)
locale-en-gb = English (United Kingdom)
locale-de = German
locale-de-de = German (Germany)
locale-de-at = German (Austria)
locale-de-ch = German (Switzerland)

# Proving oneself again.
confirm-title = Confirm that it’s you
confirm-advice = { $person }, what comes next weighs much. Enter your password once more to go on.
confirm-button = Continue
confirm-wrong = That isn’t your password. Try again.

# Teams and what people see.
settings-teams = Teams
settings-roles = Roles
settings-done-team-made = Team made.
settings-done-team-saved = Team saved.
settings-done-team-removed = Team removed. The teams below it moved up.
settings-done-team-joined = They are in the team now.
settings-done-team-left = They have left the team.
settings-done-visibility = Saved. It counts from the next page they open.
teams-advice = Whoever sees by teams sees what everybody in their teams owns, and in the teams below.
teams-none = There are no teams yet. Make the first one below.
team-people = { $count ->
    [0] nobody in it
    [1] 1 person
   *[other] { $count } people
}
team-new = New team
team-name = Name
team-parent = Below
team-top = No other team
team-create = Make team
team-join-label = Somebody for this team
team-join = Add
team-leave = Take out
team-leave-label = Take { $name } out of the team
team-remove = Remove team
team-remove-label = Remove the team { $name }
team-bad-name = Enter a name of at most 80 characters.
team-name-taken = Another team has this name. Choose another one.
team-cycle = Choose another place: a team can’t be below itself, nor more than 20 levels deep.
team-full = There are 500 teams already. Remove some first.
visibility-title = Whose records people see
visibility-advice = Everybody sees what they own. Admins and owners see everything.
visibility-default = New people
visibility-all = Everybody’s records
visibility-team = Records of their teams
visibility-own = Their own records
visibility-by-role = sees everybody’s records
visibility-save = Save what { $name } sees
visibility-save-default = Save what new people see

# Roles.
roles-advice = This table decides what each person may do, on every page and in the API.
roles-may = May
roles-yours = yours
capability-records-read = See records
capability-records-write = Make and change records
capability-records-delete = Delete and restore records
capability-records-import = Import files of records
capability-schema-manage = Define objects, fields and pipelines
capability-users-manage = Manage people and teams, export, read the audit log
capability-workspace-manage = Set policies, keys and integrations
capability-workspace-own = Appoint owners, hand over or delete the workspace
