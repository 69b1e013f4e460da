"""Say which photographs show one physical part: said by a person, or found in the photographs."""
