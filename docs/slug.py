def slug(heading):
    "Anchor of a heading: lower case, spaces as hyphens, no punctuation but the dots of names."
    lower = heading.strip().lower().replace(' ', '-')
    return ''.join(c for c in lower if c.isalnum() or c in '-_.')
