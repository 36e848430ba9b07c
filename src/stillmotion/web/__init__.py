"""A page and a service: videos come in, what models say of them over time goes out.

    from stillmotion.web.app import create_app

    app = create_app({"doors": stillmotion.load("runs/doors")})      # any ASGI server runs it

app         the addresses, and what they answer      schemas   what is said, as pydantic models
routes      these addresses                          failures  every answer that is no success
access      who may ask                              limits    how much may be asked
asking      from a request to a job                  refusal   why there is none
uploads     bytes to a file, bounded                 samples   videos to try
jobs        what was asked, and how far it is        job       one of these, and whose turn it is
service     who works, and when work ends            connections   and when they end
decoding    in a process that may be killed          process   that process, from outside
working     one job, from its video to its answer    scoring   clips of several jobs at once
hosting     a model that is ready to be asked        flow      attention-map flow for the page
metrics     counts for a monitor                     server    the socket, and how it closes
"""
