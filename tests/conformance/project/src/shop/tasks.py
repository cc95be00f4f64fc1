import upnext

from shop.events import worker


@worker.task
async def mail(ctx: upnext.Context, address: str, *, copy: bool = False) -> int:
    return ctx.attempt


@worker.task(retries=1, name="report")
def write_report(title: str, pages: int = 1) -> str:
    return title * pages


@worker.task
async def clean(older_than: float) -> list[str]:
    return []
