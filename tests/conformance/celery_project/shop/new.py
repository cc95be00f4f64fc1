from upnext_celery import shared_task

# Made after the file was generated.


@shared_task
def not_generated_yet(first: int, second: str) -> None: ...


not_generated_yet.delay(1, "x")
not_generated_yet.si(first=1, second="x")
not_generated_yet.delay("1", "x")  # E
