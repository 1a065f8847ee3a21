def slug(heading):
    "Anchor of a heading: lower case, spaces as hyphens, punctuation left out; a name of the package keeps its dots."
    return ''.join(c for c in heading.strip().lower().replace(' ', '-') if c.isalnum() or c in '-_.')
