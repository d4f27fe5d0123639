"""Turn hooks: a user's own functions between the client and the route of a turn.

`values` is what they see, `chain` calls them, `plan` puts them around the plan of a turn. The public names are in
`addons.hooks`.
"""
