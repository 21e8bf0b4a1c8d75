# Home, lists, records, forms, search.
show-all = Show all
value-none = none
person-unknown = Someone
record-figure-here = { $label } (on this device)
record-unknown = a record that is gone
record-untitled = Untitled

home-greeting = Hello, { $name }
home-whose = Whose deals
home-mine = Mine
home-all = Everybody’s
home-open-amount = Open pipeline
home-pipeline = Pipeline by stage
home-stage = Stage
home-bar = Share
home-count = Deals
home-amount = Amount
home-weighted = Weighted
home-month = Month
home-numbers = Show the numbers
home-closing-months = To be closed, by month
home-closing-months-none = No open deal has a close date in the next six months.
home-closed = Won against lost
home-closed-none = No deal was won or lost in the last six months.
home-quiet = Gone quiet
home-quiet-none = Something has happened in every open deal in the last 14 days.
home-others = Changed by others
home-others-none = Nobody else has changed anything yet.
home-open-count = Open deals
home-won-month = Won this month
home-late-tasks = Overdue tasks
home-tasks = My open tasks
home-tasks-none = Nothing to do. Add a task to a record and it shows up here.

list-new = New { $object }
list-search = Search { $object }
list-deleted = Deleted
list-deleted-title = Deleted { $objects }
list-deleted-none = Nothing is deleted
list-deleted-advice = What you delete stays here and can be restored.
list-sort = Sort
list-sort-newest = Newest first
list-sort-ascending = { $field }, ascending
list-sort-descending = { $field }, descending
list-count-ask = Count records
list-count =
    { $count ->
        [one] { $shown } record
       *[other] { $shown } records
    }
list-count-here =
    { $count ->
        [one] { $shown } record on this device
       *[other] { $shown } records on this device
    }
list-pages = Pages
list-previous = Previous
list-next = Next
list-none = No { $object } yet
list-none-match = No { $object } match
list-none-match-advice = Every filter narrows the list further. Remove one, or look for fewer words.

filter = Filter
filters = Filters
filters-clear = Remove all filters
filter-field = Field
filter-test = Condition
filter-value = Value
filter-add = Add filter
filter-remove = Remove filter: { $filter }
filter-needs-value = Enter a value to compare with.
filter-broken-title = A filter doesn’t work any more
filter-broken = It names a field or value that doesn’t exist here. Remove it to see records again.
test-contains = contains
test-starts = starts with
test-equal = is
test-not_equal = is not
test-less = is less than
test-greater = is more than
test-before = is before
test-after = is after
filter-or = or
filter-and = and
filter-instead = Or, as an alternative to “{ $filter }”:
filter-days = Days
filter-needs-days = Enter a number of days from 1 to 3650.
filter-day-today = today
filter-day-after = today + { $days } { $days ->
    [one] day
   *[other] days
  }
filter-day-before = today − { $days } { $days ->
    [one] day
   *[other] days
  }
test-today = is today
test-month = is this month
test-year = is this year
test-last_days = is in the last … days
test-next_days = is in the next … days
test-from = is from
test-until = is up to
test-me = is me
test-empty = is empty
test-filled = has a value

section-details = Details
section-person = Person
section-reach = Reach
section-address = Address
section-progress = Progress
section-more = More
section-repeat = Repetition

record-edit = Edit
record-delete = Delete
record-deleted = This record is deleted.
record-deleted-advice = It was deleted on { $when } and can be restored.
record-restore = Restore
related-all = All { $objects }
related-add = Add to this record

history = History
history-title = History of { $name }
history-older = Show older changes
history-created = { $person } created this record
history-updated = { $person } made changes
history-deleted = { $person } deleted this record
history-restored = { $person } restored this record

form-new-title = New { $object }
form-edit-title = Edit { $name }
form-optional = optional
form-save = Save
form-save-another = Save and add another
form-cancel = Cancel
form-errors = Some entries need another look
options-none = Nothing found

collision-title = { $name } changed meanwhile
collision-advice = { $person } changed this record while you were editing it. Nothing has been overwritten: choose for each field below what it should be.
collision-before = before: { $value }
collision-theirs = What is there now
collision-mine = What you entered
collision-others = Also changed meanwhile
collision-discard = Discard my changes

lead-convert = Convert lead
conversion-title = Convert { $name }
conversion-advice = The lead becomes a contact at an account, and a deal if you like. It keeps its history and points to what became of it.
conversion-account = Account
conversion-new = New account “{ $name }”
conversion-existing = An account that exists already
conversion-which = Which account
conversion-deal = Deal
conversion-with-deal = Start a deal
conversion-deal-name = Name of the deal

notice-created = { $object } “{ $name }” created.
notice-saved = Saved.
notice-merged = Saved, together with changes that somebody else made meanwhile.
notice-unchanged = Nothing was changed.
notice-deleted = { $object } “{ $name }” deleted.
notice-restored = { $object } “{ $name }” restored.
notice-converted = { $object } “{ $name }” converted.
notice-open = Open
notice-undo = Undo

search-title = Results for “{ $words }”
search-hint = Names, e-mail addresses, telephone numbers …
search-none = Nothing found
search-none-advice = Words are found by their beginnings. Try fewer or shorter ones.
search-start = Fieldstone looks in every kind of record at once: names, e-mail addresses, telephone numbers in any format, and your own fields.

board = Board
board-as = Show as
board-list = List
board-stages = Edit stages
board-move = Stage of { $name }
board-move-go = Move
board-quiet =
    { $days ->
        [one] quiet for { $days } day
       *[other] quiet for { $days } days
    }
board-hint = Drag a card to another stage, or focus it and press Shift with an arrow key. Arrow keys alone go from card to card.
board-why = Why was { $name } lost?
board-lost = Mark as lost
board-reason-too-long = Shorten it to 255 characters.
filter-show = Show
notice-moved = “{ $name }” moved.
notice-widths = Column width changed.
notice-widths-usual = The columns have their usual widths.
notice-rescheduled = “{ $name }” is on { $when } now.
notice-reverted = Undone.

columns = Columns
columns-show = Show these
columns-usual = Reset
columns-width = Width of { $column }
columns-width-advice = Drag the edge of a column’s head, or go there with Tab and press ← or →. Enter makes it fit.
columns-widths-usual = Usual widths
views = Views
view-all = All
view-name = Name of this view
view-share = For everybody in the workspace
view-shared = shared
view-keep = Save view
view-pin = Pin
view-unpin = Unpin
view-remove = Remove
export = Export
export-advice = Everything this list finds, with its columns. You may be asked to confirm that it is you, and the audit log notes it.
bulk-tick = Select
bulk-edit = Change selected
bulk-delete = Delete selected
bulk-none = Select none
bulk-set = Set in all of them
bulk-edit-title =
    { $count ->
        [one] Change { $count } record
       *[other] Change { $count } { $objects }
    }
bulk-changed =
    { $count ->
        [one] { $count } record changed
       *[other] { $count } { $objects } changed
    }
bulk-deleted =
    { $count ->
        [one] { $count } record deleted
       *[other] { $count } { $objects } deleted
    }
bulk-failed = Not changed
bulk-not-possible = This one can’t be changed now. Open it to see why.

timeline = What happened
timeline-all = All
timeline-changes = Changes
timeline-added = { $person } added a { $object }
timeline-compose = Add to what happened
timeline-none = Nothing of this kind yet.
field-change = Change { $field }
record-merge = Merge
record-print = Print
merge-title = Merge { $name } with another
merge-advice = One record stays, with the values you choose. Whatever referred to the other refers to it afterwards; the other is deleted and can be restored.
merge-which = The other record
merge-compare = Compare
merge-same = Both have the same values.
merge-do = Merge
notice-merged_records = Both records are now “{ $name }”.

reports = Reports
report-nothing = – nothing –
report-of = Of
report-measure = Figure
report-by = By
report-then = And by
report-bucket = Dates by
report-year = Year
report-filter = Only where
report-of-all = All records count. Add a condition to narrow them down; all of them have to hold.
report-count = Number of records
report-sum = Sum of { $field }
report-avg = Average of { $field }
report-min = Smallest { $field }
report-max = Largest { $field }
report-total = Total
report-none = No records to report on
report-cut = There are more groups than fit here. Narrow the report to see them.
report-kept = Kept reports
report-keep = Save report
report-name = Name of this report
dashboards = Dashboards
dashboard-new = New dashboard
dashboard-name = Name of this dashboard
dashboard-make = Make dashboard
dashboard-add = Put a report on it
dashboard-take = Take { $name } off
dashboard-earlier = Move { $name } forward
dashboard-later = Move { $name } back
dashboard-gone = This report was removed
dashboard-object-gone = What this report is of is gone.
dashboard-full = A dashboard holds 24 reports. Take one off before you put another on it.
dashboard-failed = This report can’t be shown just now. Open it by itself, or look again in a moment.
dashboard-none = No dashboards yet
dashboard-none-advice = A dashboard shows reports that you keep side by side. Make one, then put reports on it.
dashboard-empty = Nothing on it yet
dashboard-empty-advice = Put a report on it. On a dashboard for everybody stand reports that everybody has.
dashboard-no-reports = Save a report first, then put it on this dashboard.

calendar = Calendar
calendar-week = Week
calendar-day = Day
calendar-today = Today
calendar-turn = Earlier and later
calendar-whose = Whose calendar
calendar-add = New event on { $date }
calendar-more = { $count } more
calendar-cut = There is more in this time than fits here. Look at a week or a day.
calendar-all-day = All day
calendar-planned = Repetition:
calendar-hint = Drag something to another day or hour, or focus it and press Shift with an arrow key. Arrow keys alone go from one to the next.
weekday-1 = Mon
weekday-2 = Tue
weekday-3 = Wed
weekday-4 = Thu
weekday-5 = Fri
weekday-6 = Sat
weekday-7 = Sun

attachment-add = Add files
attachment-files = Files
attachment-help = Any kind of file, up to 1 GiB each. You can also drop files on this page.
attachment-choose = Choose at least one file, and no more than twenty.
attachment-upload = Upload
attachment-sending = Sending {"{"}name{"}"} …
attachment-failed = The file didn’t get through. Try again.
attachment-too-large = This file is larger than 1 GiB.
attachment-download = Download
attachment-waiting = The content hasn’t arrived yet. It comes from the device it was added on, at its next synchronisation.

forecast = Forecast
forecast-advice = Open deals by the month in which they are to close; below each amount what of it is likely.
forecast-owner = Owner
forecast-late = Overdue
forecast-none = No open deal
