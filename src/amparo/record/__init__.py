"""Claims about persons, groups, places, events and acts; vocabularies; views; search."""
