"""What the env.py of Alembic passes to context.configure(), so that autogenerate
leaves the tables of the extension alone:

    from alembic_filter import include_name, include_object

    context.configure(connection=connection, target_metadata=metadata,
                      include_schemas=True, include_name=include_name, include_object=include_object)
"""


def include_name(name, kind, parents):
    """Whether to read this from the database."""
    return kind != "schema" or name != "researcharr"


def include_object(item, name, kind, reflected, compared_to):
    """Whether to compare this, also if only the models have it."""
    return kind != "table" or item.schema != "researcharr"
